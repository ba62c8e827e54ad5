//! plugin wordcount
