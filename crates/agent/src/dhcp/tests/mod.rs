//! Tests over more than one file of this folder.

mod extra;
mod garbage;
mod host;
mod intent;
mod plan;
mod server4;
mod server6;
