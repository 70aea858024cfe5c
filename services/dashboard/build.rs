//! Puts the built page into the binary: a row a file of `page/`, whatever a build named its parts.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=page");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set; cargo sets it")?);
    let page = root.join("page");
    let mut files = Vec::new();
    collect(&page, &mut files)?;
    files.sort();
    let mut rows = String::from("&[\n");
    for file in files {
        let name = file.strip_prefix(&page)?.to_str().ok_or("a file of the page has a name that is no text")?;
        writeln!(rows, "    ({:?}, include_bytes!({:?})),", format!("/{name}"), file)?;
    }
    rows.push_str("]\n");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; cargo sets it")?);
    Ok(fs::write(out.join("page.rs"), rows)?)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
