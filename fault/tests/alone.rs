//! A test that counts what belongs to a whole process, in a process of its own (`alone!`).

mod support;

mod fault_leaks;
