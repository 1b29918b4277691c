"""Lists of hotwords, and which of their entries may have been said: `HotwordList`, `Retriever`."""
