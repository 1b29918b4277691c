// The page of `firered serve`, and in the audio thread, which loads this file too, what takes the microphone's samples.
"use strict";

if (typeof AudioWorkletProcessor !== "undefined") {
  // Hands on the first channel at the context's own rate; the server resamples.
  registerProcessor("samples", class extends AudioWorkletProcessor {
    constructor() {
      super();
      this.block = new Int16Array(Math.round(sampleRate / 10));
      this.filled = 0;
    }

    process(inputs) {
      const channel = inputs[0][0];
      for (let n = 0; channel && n < channel.length; n++) {
        this.block[this.filled++] = Math.max(-1, Math.min(1, channel[n])) * 32767;
        if (this.filled === this.block.length) {
          this.port.postMessage(this.block.slice());
          this.filled = 0;
        }
      }
      return true;
    }
  });
} else {
  start();
}

function start() {
  const find = (id) => document.getElementById(id);
  const captions = [];
  let live = null;

  // --- what is shown ---

  const say = (text) => { find("state").textContent = text; };

  function trouble(text) {
    find("trouble").textContent = text;
    find("trouble").hidden = !text;
  }

  function clock(seconds, mark) {
    const ms = Math.round(1000 * seconds);
    const two = (number) => String(number).padStart(2, "0");
    const whole = `${two(Math.floor(ms / 3600000))}:${two(Math.floor(ms / 60000) % 60)}:${two(Math.floor(ms / 1000) % 60)}`;
    return mark ? `${whole}${mark}${String(ms % 1000).padStart(3, "0")}` : whole;
  }

  function add(start, end, text) {
    if (!text) return;
    captions.push({ start, end, text });
    const line = document.createElement("li"), time = document.createElement("time"), said = document.createElement("span");
    time.textContent = clock(start);
    said.textContent = text;
    line.append(time, said);
    find("captions").append(line);
    line.scrollIntoView({ block: "nearest" });
    allow();
  }

  function open(stable, unstable) {
    find("stable").textContent = stable;
    find("unstable").textContent = unstable;
  }

  function forget() {
    captions.length = 0;
    find("captions").replaceChildren();
    open("", "");
    trouble("");
    allow();
  }

  function allow() {
    for (const button of document.querySelectorAll("#save button")) button.disabled = !captions.length;
  }

  // --- options ---

  const key = () => find("key").value.trim();
  const hotwords = () => find("hotwords").value.split("\n").map((word) => word.trim()).filter(Boolean);

  // --- a recording ---

  async function transcribe(file) {
    if (!file || live) return;
    forget();
    say(`Recognising ${file.name} …`);
    const form = new FormData();
    form.append("file", file);
    form.append("response_format", "verbose_json");
    for (const word of hotwords()) form.append("keywords[]", word);
    try {
      const answer = await fetch("/v1/audio/transcriptions", {
        method: "POST", body: form, headers: key() ? { "X-API-Key": key() } : {},
      });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.error.message);
      for (const segment of found.segments) add(segment.start, segment.end, segment.text);
      say(captions.length ? "Done." : "Done: there is no speech in it.");
    } catch (error) {
      say("Failed.");
      trouble(error.message);
    }
  }

  // --- the microphone ---

  async function speak() {
    if (live) return stop();
    forget();
    if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) return trouble(noMicrophone());
    const own = live = { id: 0 };
    find("speak").setAttribute("aria-pressed", "true");
    find("speak").textContent = "Stop";
    try {
      own.media = await navigator.mediaDevices.getUserMedia({ audio: true });
      own.context = new AudioContext();
      await own.context.audioWorklet.addModule("/page/page.js");
      const query = new URLSearchParams({ rate: String(own.context.sampleRate), format: "s16le" });
      for (const word of hotwords()) query.append("keywords", word);
      const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/stream?${query}`;
      own.socket = new WebSocket(address, ["firered", ...(key() ? [`openai-insecure-api-key.${key()}`] : [])]);
      own.socket.onmessage = (message) => heard(JSON.parse(message.data), own);
      own.socket.onclose = () => { if (live === own) broken(own); };
    } catch (error) {
      end(own);
      say("Failed.");
      trouble(error.name === "NotAllowedError" ? "The browser may not use the microphone: allow it for this page."
        : `The microphone cannot be used: ${error.message}`);
    }
  }

  function noMicrophone() {
    return "Browsers give pages the microphone over https, or from this machine itself.\n"
      + `This page came from ${location.origin}. Either open it as http://localhost:${location.port || 80} on the machine of `
      + `the server, or have it come here: ssh -L 8000:localhost:${location.port || 80} ${location.hostname}, then open `
      + "http://localhost:8000; or put a proxy with TLS in front of the server. Recordings can be sent as it is.";
  }

  function listen(own) {
    const source = own.context.createMediaStreamSource(own.media), node = new AudioWorkletNode(own.context, "samples");
    node.port.onmessage = (message) => {
      if (own.socket.readyState === WebSocket.OPEN && !own.ended) own.socket.send(message.data.buffer);
    };
    source.connect(node);
    node.connect(own.context.destination);  // it gives silence; some browsers run nothing that leads nowhere
    say("Listening …");
  }

  function heard(line, own) {
    if (line.type === "ready") listen(own);
    else if (line.type === "partial") open(line.stable, line.unstable);
    else if (line.type === "final") { open("", ""); add(line.start_s, line.end_s, line.text); }
    else if (line.type === "error") trouble(line.error.message);
    else if (line.type === "end") { end(own); say("Done."); }
  }

  function stop() {
    say("Finishing …");
    live.ended = true;
    if (live.socket && live.socket.readyState === WebSocket.OPEN) live.socket.send("END");
    else end(live);
  }

  function end(own) {
    for (const track of own.media ? own.media.getTracks() : []) track.stop();
    if (own.context) own.context.close();
    if (live !== own) return;
    live = null;
    if (own.socket) own.socket.close();
    find("speak").setAttribute("aria-pressed", "false");
    find("speak").textContent = "Speak into the microphone";
  }

  async function broken(own) {
    end(own);
    open("", "");
    say("The connection has ended.");
    const answer = await fetch("/v1/models", { headers: key() ? { "X-API-Key": key() } : {} }).catch(() => null);
    if (!answer) trouble("The server cannot be reached.");
    else if (!answer.ok) trouble((await answer.json()).error.message);
    else if (!find("trouble").textContent) trouble("The server has ended the stream, or refuses it: its log says why.");
  }

  // --- subtitles ---

  function subtitles(form) {
    if (form === "txt") return captions.map((one) => one.text).join("\n") + "\n";
    const mark = form === "srt" ? "," : ".";
    const cues = captions.map((one, number) => `${form === "srt" ? `${number + 1}\n` : ""}`
      + `${clock(one.start, mark)} --> ${clock(one.end, mark)}\n${safe(one.text, form)}\n`);
    return (form === "vtt" ? "WEBVTT\n\n" : "") + cues.join("\n");
  }

  const safe = (text, form) => form === "vtt" ? text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;") : text;

  function save(form) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([subtitles(form)], { type: form === "vtt" ? "text/vtt" : "text/plain" }));
    link.download = `captions.${form}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  find("file").addEventListener("change", (event) => { transcribe(event.target.files[0]); event.target.value = ""; });
  find("speak").addEventListener("click", speak);
  find("forget").addEventListener("click", () => { forget(); say("Ready."); });
  for (const button of document.querySelectorAll("[data-form]")) {
    button.addEventListener("click", () => save(button.dataset.form));
  }
  const drop = find("drop");
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") transcribe(event.dataTransfer.files[0]);
    });
  }
}
