//! plugin scatter3
