//! Stage `reward-model`: a reward model trained on preferences, before anything is rewarded.
