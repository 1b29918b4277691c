"""Recognition with the attention encoder-decoder and with the large language model."""
