"""What the recipes of egs/ share: public corpora read by their layouts, and written as Kaldi data directories."""
