//! The macros of pylm-plugin-api
