//! Has the linker load Media Foundation's DLLs late: at the first call, not when the program starts.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// A function that two of them have is called in the first.
const DLLS: [&str; 3] = ["mfplat", "mfreadwrite", "mf"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let var = |name| env::var(name).unwrap_or_default();
    match (var("CARGO_CFG_TARGET_OS").as_str(), var("CARGO_CFG_TARGET_ENV").as_str()) {
        ("windows", "msvc") => for_microsofts_linker(),
        ("windows", "gnu") => for_mingws_linker(&format!("{}-w64-mingw32", var("CARGO_CFG_TARGET_ARCH")))?,
        _ => {}
    }
    Ok(())
}

fn for_microsofts_linker() {
    for dll in DLLS {
        println!("cargo::rustc-link-arg-bins=/DELAYLOAD:{dll}.dll");
    }
    println!("cargo::rustc-link-arg-bins=delayimp.lib");
}

/// Makes a library for late loading of each import library that comes with the compiler. It is linked whole and before all
/// others, so that its functions are the ones that are called.
fn for_mingws_linker(prefix: &str) -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    println!("cargo::rustc-link-search=native={out}");
    let mut known = BTreeSet::new();
    for dll in DLLS {
        let library = format!("-print-file-name=lib{dll}.a");
        let path = run(&format!("{prefix}-gcc"), &[&library])?;
        let symbols = run(&format!("{prefix}-nm"), &[path.trim()])?;
        let mut definition = format!("LIBRARY {dll}.dll\nEXPORTS\n");
        for symbol in symbols.lines().filter_map(|line| line.split_whitespace().last()) {
            if let Some(name) = symbol.strip_prefix("__imp_").filter(|name| known.insert(name.to_string())) {
                definition += &format!("{name}\n");
            }
        }
        let (from, to) = (format!("{out}/{dll}.def"), format!("{out}/lib{dll}_late.a"));
        fs::write(&from, definition)?;
        let dll_name = format!("{dll}.dll");
        run(&format!("{prefix}-dlltool"), &["-d", &from, "-D", &dll_name, "-y", &to])?;
        println!("cargo::rustc-link-lib=static:+whole-archive={dll}_late");
    }
    // The function that loads a DLL when it is first called.
    let loader = run(&format!("{prefix}-gcc"), &["-print-file-name=libdelayimp.a"])?;
    let folder = Path::new(loader.trim()).parent().ok_or("the compiler has no libdelayimp.a")?;
    println!("cargo::rustc-link-search=native={}", folder.display());
    println!("cargo::rustc-link-lib=static=delayimp");
    Ok(())
}

/// What the program prints.
fn run(program: &str, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("{program} ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
