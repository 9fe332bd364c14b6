//! The program `infalign`.

fn main() {}
