//! The media program: relay threads, prompts, statistics.
