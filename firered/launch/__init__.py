"""Jobs side by side on this machine or a cluster, called as Kaldi calls run.pl; standard library alone, but for Ray."""
