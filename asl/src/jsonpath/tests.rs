mod aws;
mod laws;
mod vectors;
