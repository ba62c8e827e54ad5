//! ZeroMQ frames and sockets, without copies and without losing what cannot be sent yet
