"""Commands over data directories: each reads one and writes one."""
