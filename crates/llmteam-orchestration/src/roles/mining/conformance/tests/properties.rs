//! Replay and alignments against naive ones, and on what trees can do.
