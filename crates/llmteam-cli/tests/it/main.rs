//! Drives the real program: what it prints, what it exits with, and what survives its death.

mod bad_input;
mod crash;
mod examples;
mod people;
mod program;
mod usage;
