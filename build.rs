//! Generates the contracts: messages and services by prost and tonic, their proto3 JSON by pbjson, the descriptor set
//! that reflection serves, and the JSON Schema of what a language model is to answer. Needs no `protoc`.

#[path = "build/schema.rs"]
mod schema;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("proto");
    println!("cargo:rerun-if-changed={}", root.display());
    println!("cargo:rerun-if-changed=build");
    let mut files = Vec::new();
    collect(&root.join("llmsre"), &mut files)?;
    files.sort();

    // Comments would triple the binary's copy; people read them in the .proto files.
    let descriptors = protox::compile(&files, [root])?;
    let mut bare = descriptors.clone();
    bare.file.iter_mut().for_each(|file| file.source_code_info = None);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; cargo sets it")?);
    fs::write(out.join("contracts.binpb"), bare.encode_to_vec())?;
    fs::write(out.join("model_answer.json"), schema::of(&descriptors, "llmsre.diagnosis.v1", "ModelAnswer")?)?;

    tonic_prost_build::configure()
        .build_transport(false)
        .compile_well_known_types(true)
        .btree_map(".")
        .extern_path(".google.protobuf", "::pbjson_types")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&bare.encode_to_vec())?
        .btree_map(["."])
        .extern_path(".google.protobuf", "::pbjson_types")
        .ignore_unknown_fields()
        .build(&[".llmsre"])?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
