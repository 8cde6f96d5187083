//! Compiles the proto files without protoc and keeps their descriptors for server reflection.

use std::path::PathBuf;

use protox::prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["facerecog.proto", "facerecog/v1/recognizer.proto"], ["proto"])?;
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out_dir.join("facerecog_descriptor.bin"), descriptors.encode_to_vec())?;
    // Photos are sliced out of the message, not copied.
    tonic_prost_build::configure().bytes(".facerecog.v1.Photo").compile_fds(descriptors)?;
    Ok(())
}
