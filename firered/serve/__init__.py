"""Recognition over HTTP, as OpenAI's API has it: `firered serve`.

It stands on `System` alone: recordings come in, their segments go through the system's modules together with those of
other requests (`engine`), and what was found goes out in the API's forms (`bodies`).
"""
