//! Records and files of infalign: rollouts, rewards, calibration tables, the run directory.
