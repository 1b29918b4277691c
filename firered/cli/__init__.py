"""One module a console command; heavy imports stay inside the functions so that --help is fast."""
