//! What a program costs that does nothing: the measure of those that do something.

fn main() {}
