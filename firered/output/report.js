"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const sentences = data.sentences.sort((a, b) => a.start_ms - b.start_ms);
  const troubles = data.troubles || [];
  const events = (data.events || []).filter((event) => event.kind !== "speech");
  const duration = Math.max(data.dur_s, 0.001);
  const languages = Object.keys(data.languages);
  const GRADES = [[0.85, "sure", "from 0.85"], [0.6, "fair", "from 0.6"], [0, "poor", "below 0.6"]];
  const KINDS = { failed: "Failed", doubt: "In doubt", "no text": "No text" };
  const CLOSEUP_S = 8;

  const clock = (seconds, digits = 1) => {
    const tenths = Math.floor(seconds * 10 ** digits + 1e-6);
    const whole = Math.floor(tenths / 10 ** digits);
    const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = whole % 60;
    const two = (n) => String(n).padStart(2, "0");
    const rest = digits ? "." + String(tenths % 10 ** digits).padStart(digits, "0") : "";
    return (h ? `${h}:${two(m)}` : `${m}`) + `:${two(s)}${rest}`;
  };
  const grade = (confidence) => GRADES.find(([low]) => confidence >= low)[1];
  const languageColour = (lang) => lang ? `var(--language-${languages.indexOf(lang) % 6})` : "var(--line)";
  const languageName = (lang) => data.languages[lang] || lang;

  // Text always goes in as text, never as markup.
  const make = (tag, attributes = {}, ...children) => {
    const element = tag.startsWith("svg:")
      ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("--")) element.style.setProperty(name, value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  // The last of some items in order of time that has begun at t; -1 for none.
  const lastBegun = (items, start, t) => {
    let low = 0, high = items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (start(items[middle]) <= t) low = middle + 1; else high = middle;
    }
    return low - 1;
  };

  // Waveform: pairs of lowest and highest value, of steps of equal length

  const bytes = data.peaks ? Uint8Array.from(atob(data.peaks.pairs), (c) => c.charCodeAt(0)) : new Uint8Array();
  const peaks = new Int8Array(bytes.buffer);
  const range = (start, end) => {
    const first = Math.floor(start / data.peaks.step_s), last = Math.max(first + 1, Math.floor(end / data.peaks.step_s));
    let low = 127, high = -127;
    for (let i = Math.max(first, 0); i < last && 2 * i < peaks.length; i++) {
      low = Math.min(low, peaks[2 * i]);
      high = Math.max(high, peaks[2 * i + 1]);
    }
    return low > high ? [0, 0] : [low / 127, high / 127];
  };

  // Header

  at("status").textContent = data.status;
  at("status").classList.add(data.status.replace(" ", "-"));
  at("path").textContent = data.wav_path;
  at("total").textContent = clock(duration);
  at("overview").setAttribute("aria-valuemax", duration.toFixed(1));
  const voiced = data.vad_segments_ms.reduce((sum, [start, end]) => sum + (end - start) / 1000, 0);
  const spoken = sentences.filter((sentence) => sentence.text);
  const share = (of) => spoken.reduce((sum, sentence) => sum + of(sentence) * (sentence.end_ms - sentence.start_ms), 0)
    / Math.max(1, spoken.reduce((sum, sentence) => sum + sentence.end_ms - sentence.start_ms, 0));
  const fact = (name, value) => at("facts").append(make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  const words = sentences.reduce((sum, sentence) => sum + sentence.words.length, 0);
  fact("Duration", clock(duration));
  fact("Speech", `${clock(voiced)} (${Math.round(100 * voiced / duration)} %)`);
  fact("Sentences", String(spoken.length));
  fact("Words", words ? String(words) : "without times");
  if (spoken.length) fact("Mean confidence", share((sentence) => sentence.asr_confidence).toFixed(3));
  if (troubles.length) fact("To check", String(troubles.length));
  if (languages.length) fact(languages.length > 1 ? "Languages" : "Language", languages.map(languageName).join(", "));
  if (data.hotwords) fact("Hotwords", data.hotwords.join(", "));
  const embedded = data.audio && data.audio.startsWith("data:");
  const linked = data.audio && !embedded ? decodeURIComponent(data.audio) : "";
  const withoutSound = linked ? `The sound is not part of this page, but linked: ${linked}` : "This page holds no sound.";
  at("notice").textContent = embedded ? "The sound is part of this page." : withoutSound;

  // Overview of the whole recording

  const WIDTH = 1200;
  const lane = (name, spans, kind = "bar") => {
    const picture = make("svg:svg", { viewBox: `0 0 ${WIDTH} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
    for (const { start_ms, end_ms, colour, tip, opacity = 1 } of spans) {
      const x = start_ms / 1000 / duration * WIDTH, width = Math.max((end_ms - start_ms) / 1000 / duration * WIDTH, 1);
      const bar = make("svg:rect", { x, y: 0, width, height: 100, opacity });
      bar.style.fill = colour;
      bar.append(make("svg:title", {}, tip));
      picture.append(bar);
    }
    at("overview").append(make("div", { class: `lane ${kind}` }, make("span", {}, name), picture));
    return picture;
  };
  const segments = data.vad_segments_ms.map(([start_ms, end_ms]) =>
    ({ start_ms, end_ms, colour: "var(--speech)", tip: `speech ${clock(start_ms / 1000)} – ${clock(end_ms / 1000)}` }));
  if (peaks.length) {
    const picture = lane("", segments.map((segment) => ({ ...segment, opacity: 0.13 })), "wave");
    let line = "";
    for (let x = 0; x < WIDTH; x++) {
      const [low, high] = range(x / WIDTH * duration, (x + 1) / WIDTH * duration);
      line += `M${x + 0.5} ${(50 - 49 * high).toFixed(1)}V${(50.5 - 49 * low).toFixed(1)}`;
    }
    picture.append(make("svg:path", { d: line, class: "line" }));
  }
  lane("speech", segments);
  for (const kind of new Set(events.map((event) => event.kind)))
    lane(kind, events.filter((event) => event.kind === kind).map((event) =>
      ({ ...event, colour: `var(--${kind})`, tip: kind })));
  if (languages.length)
    lane("language", sentences.map((sentence) =>
      ({ ...sentence, colour: languageColour(sentence.lang), tip: languageName(sentence.lang) })));
  if (spoken.length)
    lane("confidence", spoken.map((sentence) =>
      ({ ...sentence, colour: `var(--${grade(sentence.asr_confidence)})`, tip: sentence.asr_confidence.toFixed(3) })));
  if (troubles.length)
    lane("to check", troubles.map((trouble) => ({ ...trouble, colour: "var(--trouble)", tip: trouble.reason })));
  const axis = make("span", { class: "ticks" });
  const tick = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600].find((step) => duration / step <= 10) || 7200;
  for (let s = 0; s <= duration; s += tick) axis.append(make("span", { "--x": `${100 * s / duration}%` }, clock(s, 0)));
  at("overview").append(make("div", { class: "lane axis" }, make("span"), axis));
  const view = make("div", { class: "view" }), needle = make("div", { class: "needle" });
  at("overview").append(view, needle);

  const legend = (name, entries) => at("legend").append(make("span", {}, make("b", {}, name), ...entries.map(
    ([colour, text]) => make("span", {}, make("i", { class: "swatch", "--colour": colour }), text))));
  if (languages.length) legend("Language", languages.map((lang) => [languageColour(lang), languageName(lang)]));
  if (spoken.length) legend("Confidence", GRADES.map(([, name, text]) => [`var(--${name})`, text]));

  // Troubles and transcript

  const time = (ms) => {
    const link = make("a", { class: "time", href: `#t=${ms / 1000}` }, clock(ms / 1000));
    link.addEventListener("click", () => seek(ms / 1000));
    return link;
  };
  const reason = (trouble) => {
    const left = trouble.text ? [" ", make("q", { class: "left-out", dir: "auto" }, trouble.text)] : [];
    return make("span", {}, make("span", { class: "kind" }, KINDS[trouble.kind] || trouble.kind), " ", trouble.reason, ...left);
  };
  at("troubles").hidden = !troubles.length;
  for (const trouble of troubles) at("troubles").querySelector("ol").append(make("li", {},
    make("span", { class: "from-to" }, time(trouble.start_ms), ` – ${clock(trouble.end_ms / 1000)}`), reason(trouble)));
  const sentenceRow = (sentence) => {
    const text = make("p", { class: "text", dir: "auto" });
    if (sentence.lang) text.lang = sentence.lang.split(" ")[0];
    sentence.spans = sentence.words.map(([start, , word, hot]) =>
      make("span", { class: hot ? "word hotword" : "word", "data-ms": start }, word));
    text.append(...(sentence.spans.length ? sentence.spans : [sentence.text]));
    const percent = `${Math.round(100 * sentence.asr_confidence)}%`;
    const about = make("div", { class: "about" });
    if (sentence.lang) about.append(make("span", { class: "language", title: `${sentence.lang} ${sentence.lang_confidence}` },
      languageName(sentence.lang)));
    if (sentence.text) about.append(make("span", { class: "meter", title: `confidence ${sentence.asr_confidence}` },
      make("i", { "--share": percent }), sentence.asr_confidence.toFixed(2)));
    const sure = sentence.text ? grade(sentence.asr_confidence) : "";
    sentence.row = make("div", { class: `row ${sure}`, "--colour": languageColour(sentence.lang), "--grade": `var(--${sure})` },
      time(sentence.start_ms), text, about);
    return sentence.row;
  };
  const troubleRow = (trouble) => make("div", { class: "row trouble", "--colour": "var(--trouble)" },
    time(trouble.start_ms), reason(trouble), make("div", { class: "about" }, `until ${clock(trouble.end_ms / 1000)}`));
  const eventRow = (event) => make("div", { class: "row event", "--colour": `var(--${event.kind})` },
    time(event.start_ms), make("span", {}, `♪ ${event.kind} until ${clock(event.end_ms / 1000)}`));
  const rows = [[events, eventRow], [sentences, sentenceRow], [troubles, troubleRow]].flatMap(
    ([items, row]) => items.map((item) => [item, row]));
  rows.sort(([a], [b]) => a.start_ms - b.start_ms);
  at("rows").replaceChildren(...rows.map(([item, row]) => row(item)));
  if (!rows.length) at("rows").append(make("p", { class: "empty" }, "No speech was found in this recording."));

  // Player

  const audio = data.audio ? new Audio() : null;
  let still = 0;  // the present place where there is nothing to play
  const place = () => audio ? audio.currentTime : still;
  const seek = (seconds) => {
    const wanted = Math.min(Math.max(seconds, 0), duration);
    if (audio) audio.currentTime = wanted; else still = wanted;
    show(true);
  };
  const toggle = () => {
    if (!audio) return;
    if (audio.paused) audio.play().catch(() => {}); else audio.pause();
  };
  if (audio) {
    audio.id = "audio";
    audio.preload = embedded ? "auto" : "metadata";
    audio.src = data.audio;
    document.body.append(audio);
    for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, () => {
      document.body.classList.toggle("playing", !audio.paused);
      at("play").setAttribute("aria-label", audio.paused ? "Play" : "Pause");
      if (!audio.paused) requestAnimationFrame(run);
    });
    for (const event of ["timeupdate", "seeked"]) audio.addEventListener(event, () => show());
    audio.addEventListener("error", () => {
      at("notice").textContent = embedded ? "This browser cannot play MP3." : `Cannot be played here: ${linked}`;
    });
  } else {
    document.body.classList.add("silent");
  }
  at("play").addEventListener("click", toggle);
  at("speed").addEventListener("change", () => { if (audio) audio.playbackRate = Number(at("speed").value); });

  // The present place: sentence, word, needle, close-up

  let lit = [];
  const show = (jumped = false) => {
    const t = place();
    at("now").textContent = clock(t);
    at("overview").setAttribute("aria-valuenow", t.toFixed(1));
    at("overview").setAttribute("aria-valuetext", clock(t, 0));
    const index = lastBegun(sentences, (sentence) => sentence.start_ms, 1000 * t + 0.5);
    const sentence = index >= 0 && 1000 * t < sentences[index].end_ms ? sentences[index] : null;
    const word = sentence ? sentence.spans[lastBegun(sentence.words, (word) => word[0], 1000 * t + 0.5)] : undefined;
    const wanted = [sentence && sentence.row, word].filter(Boolean);
    const changed = sentence && lit[0] !== sentence.row;
    lit.filter((element) => !wanted.includes(element)).forEach((element) => element.classList.remove("now"));
    wanted.forEach((element) => element.classList.add("now"));
    lit = wanted;
    if (changed && at("follow").checked && (jumped || (audio && !audio.paused))) reveal(sentence.row);
    drawCloseup(t);
  };
  const reveal = (row) => {
    const sticky = getComputedStyle(at("player")).position === "sticky" ? at("player").offsetHeight : 0;
    const { top, bottom } = row.getBoundingClientRect();
    if (top < sticky || bottom > innerHeight) scrollBy({ top: top - sticky - (innerHeight - sticky) / 3 });
  };
  const run = () => {
    show();
    if (!audio.paused) requestAnimationFrame(run);
  };

  const canvas = at("closeup"), brush = canvas.getContext("2d");
  const span = Math.min(CLOSEUP_S, duration);
  const windowStart = (t) => Math.min(Math.max(t - span / 3, 0), duration - span);
  const drawCloseup = (t) => {
    const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const colours = getComputedStyle(document.documentElement), colour = (name) => colours.getPropertyValue(`--${name}`);
    const from = windowStart(t), x = (seconds) => (seconds - from) / span * width;
    const bottom = height - 26, middle = (bottom + 16) / 2;
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, width, height);
    brush.font = `11px ${colours.getPropertyValue("--sans")}`;
    brush.textBaseline = "middle";
    brush.fillStyle = colour("soft");
    for (let s = Math.ceil(from); s <= from + span; s++) {
      brush.fillText(clock(s, 0), x(s) + 3, 7);
      brush.fillRect(x(s), 0, 1, 5);
    }
    const inView = (start, end) => end / 1000 >= from && start / 1000 <= from + span;
    brush.fillStyle = colour("speech");
    brush.globalAlpha = 0.12;
    for (const [start, end] of data.vad_segments_ms)
      if (inView(start, end)) brush.fillRect(x(start / 1000), 16, x(end / 1000) - x(start / 1000), bottom - 16);
    brush.globalAlpha = 1;
    brush.fillStyle = colour("wave-speech");
    if (peaks.length) for (let px = 0; px < width; px++) {
      const [low, high] = range(from + px / width * span, from + (px + 1) / width * span), reach = (bottom - 18) / 2;
      brush.fillRect(px, middle - high * reach, 1, Math.max((high - low) * reach, 1));
    }
    brush.textAlign = "center";
    brush.font = `14px ${colours.getPropertyValue("--sans")}`;
    for (const sentence of sentences.filter(({ start_ms, end_ms }) => inView(start_ms, end_ms)))
      for (const [start, end, text] of sentence.words) {
        if (!inView(start, end)) continue;
        const current = 1000 * t + 0.5 >= start && 1000 * t < end, left = x(start / 1000), right = x(end / 1000);
        brush.fillStyle = current ? colour("now") : colour("line");
        brush.fillRect(left, bottom + 2, Math.max(right - left - 1, 1), 24);
        brush.fillStyle = current ? colour("now-text") : colour("text");
        brush.fillText(text.trim(), (left + right - 1) / 2, bottom + 14, Math.max(right - left - 2, 6));
      }
    brush.textAlign = "start";
    brush.fillStyle = colour("trouble");
    brush.fillRect(x(t) - 1, 0, 2, height);
    const chart = at("overview").querySelector("svg"), left = chart.getBoundingClientRect().left - at("overview").getBoundingClientRect().left;
    const scale = chart.getBoundingClientRect().width / duration;
    needle.style.left = `${left + t * scale - 1}px`;
    view.style.left = `${left + from * scale}px`;
    view.style.width = `${span * scale}px`;
    view.hidden = span >= duration;
  };

  // Mouse and keys

  const drag = (element, seconds) => {
    const go = (event) => seek(seconds(event));
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      go(event);
      event.preventDefault();
    });
    element.addEventListener("pointermove", (event) => {
      if (element === at("overview") && event.buttons & 1) go(event);
    });
  };
  drag(at("overview"), (event) => {
    const box = at("overview").querySelector("svg").getBoundingClientRect();
    return (event.clientX - box.left) / box.width * duration;
  });
  drag(canvas, (event) => windowStart(place()) + event.offsetX / canvas.clientWidth * span);
  at("rows").addEventListener("click", (event) => {
    const word = event.target.closest(".word");
    if (word && getSelection().isCollapsed) seek(Number(word.dataset.ms) / 1000);
  });
  const stepSentence = (by) => {
    const index = lastBegun(sentences, (sentence) => sentence.start_ms, 1000 * place() + 0.5) + by;
    if (sentences.length) seek(sentences[Math.min(Math.max(index, 0), sentences.length - 1)].start_ms / 1000);
  };
  const keys = {
    " ": toggle,
    ArrowLeft: () => seek(place() - 5),
    ArrowRight: () => seek(place() + 5),
    ArrowUp: () => stepSentence(-1),
    ArrowDown: () => stepSentence(1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select, input")) return;
    if (!keys[event.key] || (event.key === " " && event.target.closest("button"))) return;
    event.preventDefault();
    keys[event.key]();
  });
  addEventListener("resize", () => show());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show());
  const follow = () => {
    const found = location.hash.match(/^#t=([\d.]+)$/);  // a link to a moment, as media fragments have it
    if (found) seek(Number(found[1])); else show();
  };
  addEventListener("hashchange", follow);
  follow();
})();
