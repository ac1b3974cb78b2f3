//! The package: one stripped binary, a tarball with licence and systemd units.

use crate::run::{cargo, command, root, step, target};
use anyhow::{Result, ensure};
use std::fs;

pub(crate) fn run() -> Result<()> {
    crate::tools::web()?;
    ensure!(
        root().join("web/dist/index.html").is_file(),
        "web/dist/index.html is missing: the package needs its web app"
    );
    cargo(&["build", "--release", "--package", "cofferdam-server"])?;
    let name = format!(
        "cofferdam-{}-{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    );
    let folder = target().join("dist").join(&name);
    fs::create_dir_all(&folder)?;
    fs::copy(target().join("release/cofferdam"), folder.join("cofferdam"))?;
    for file in ["LICENSE", "README.md", "CHANGELOG.md", "docs/operate.md"] {
        let to = folder.join(std::path::Path::new(file).file_name().unwrap_or_default());
        fs::copy(root().join(file), to)?;
    }
    for unit in ["cofferdam.service", "cofferdam.socket"] {
        fs::copy(root().join("packaging").join(unit), folder.join(unit))?;
    }
    let tarball = target().join("dist").join(format!("{name}.tar.gz"));
    step(
        command("tar")
            .arg("-C")
            .arg(target().join("dist"))
            .arg("-czf")
            .arg(&tarball)
            .arg(&name),
    )?;
    eprintln!("wrote {}", tarball.display());
    Ok(())
}
