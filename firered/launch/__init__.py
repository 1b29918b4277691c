"""Work on many utterances: batches, journals and resuming, parts side by side on one machine or a cluster."""
