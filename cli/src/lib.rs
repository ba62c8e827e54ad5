//! The program pylm
