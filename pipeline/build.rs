//! Compiles the recognizer's contracts without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let proto = "../recognizer-server/proto";
    println!("cargo:rerun-if-changed={proto}");
    println!("cargo:rerun-if-changed=migrations");
    let descriptors = protox::compile(["facerecog.proto", "facerecog/v1/recognizer.proto"], [proto])?;
    tonic_prost_build::configure().build_server(false).compile_fds(descriptors)?;
    Ok(())
}
