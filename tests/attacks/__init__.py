"""Attacks on umi's guards, a module each: what was tried is counted, and what came of it that must not."""
