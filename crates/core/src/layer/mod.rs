//! Layers: behaviour that every provider shares, wrapped around it and never written inside it.
