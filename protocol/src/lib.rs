//! The messages of pylmd: pylm's PalmMessage and the records of the native protocol
