//! What a plugin of pylmd is written against
