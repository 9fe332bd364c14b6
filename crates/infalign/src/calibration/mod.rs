//! From K raw rewards of the base policy to the calibrated reward of any response.
