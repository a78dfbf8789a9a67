//! What a context shows, to whom.
