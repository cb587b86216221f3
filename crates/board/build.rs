//! Builds anew when a migration changes: the macro that embeds them cannot tell cargo.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
