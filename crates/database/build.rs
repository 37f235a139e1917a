//! Migrations are compiled in: a new file there has to rebuild this crate.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations");
}
