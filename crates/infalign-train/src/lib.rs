//! Training runs of language models: the order of the data, schedules, metrics, checkpoints and resuming.
