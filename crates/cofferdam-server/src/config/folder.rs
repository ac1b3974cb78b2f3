//! Reads the configuration folder as written: `cofferdam.toml`, `vendors/*.toml`, `fields.toml`, environment overrides.
//!
//! Goes on to `resolve`, which checks what the types cannot. Invariant: nothing is written here.

use super::mend;
use super::problem::{Merged, Problem, Severity, SourceFile, variable_place};
use super::sections::{MainFile, VendorFile};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// `fields.toml` as written: field path → category key.
pub type FieldsFile = BTreeMap<Spanned<String>, Spanned<String>>;

/// The folder as written.
#[derive(Debug)]
pub struct Folder {
    /// The folder that `cofferdam.toml` is in; relative paths start here.
    pub root: PathBuf,
    /// `cofferdam.toml`.
    pub main: (SourceFile, MainFile),
    /// `vendors/<id>.toml`, by id.
    pub vendors: Vec<(String, SourceFile, VendorFile)>,
    /// `fields.toml`, if there is one.
    pub fields: Option<(SourceFile, FieldsFile)>,
}

/// Reads the folder of `main_path` (the path of `cofferdam.toml`).
///
/// With problems the folder is what was read past them, to be searched for more; `None` without a main file.
#[must_use]
pub fn read(
    main_path: &Path,
    environment: &BTreeMap<String, String>,
) -> (Option<Folder>, Vec<Problem>) {
    let root = main_path.parent().map_or_else(PathBuf::new, Path::to_owned);
    let mut problems = Vec::new();
    let main = SourceFile::read(main_path)
        .and_then(|source| overridden(source, environment))
        .map_err(|problem| problems.push(*problem))
        .ok()
        .and_then(|source| {
            let parsed = mend::parse::<MainFile>(&source, &mut problems)?;
            Some((source, parsed))
        });
    let vendors = vendor_files(&root.join("vendors"), &mut problems);
    let fields = optional(&root.join("fields.toml"), &mut problems);
    let folder = main.map(|main| Folder {
        root,
        main,
        vendors,
        fields,
    });
    (folder, problems)
}

/// The data directory that the folder of `main_path` names, also where nothing else in it can be read: what is needed to find
/// a running server. Each line is read by itself, so that no mistake in another one hides it.
#[must_use]
pub fn data_dir(main_path: &Path, environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let root = main_path.parent().map_or_else(PathBuf::new, Path::to_owned);
    if let Some(given) = environment.get("COFFERDAM__DATA_DIR") {
        return Some(root.join(text_of(given)));
    }
    let text = std::fs::read(main_path).ok()?;
    let text = String::from_utf8_lossy(&text);
    let at_top = text
        .lines()
        .take_while(|line| !line.trim_start().starts_with('['));
    let mut found = at_top.filter_map(|line| {
        let line = line.parse::<toml::Table>().ok()?;
        Some(line.get("data_dir")?.as_str()?.to_owned())
    });
    found.next().map(|dir| root.join(dir))
}

/// A variable's value, which is TOML or else text, as text.
fn text_of(value: &str) -> String {
    match value_of(value) {
        Some(toml::Value::String(text)) => text,
        _ => value.to_owned(),
    }
}

fn vendor_files(
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Vec<(String, SourceFile, VendorFile)> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    let mut vendors = Vec::new();
    for path in paths {
        // What is no id, or no text, is an error of `resolve`.
        let id = path.file_stem().unwrap_or_default();
        let id = id.to_string_lossy().into_owned();
        match SourceFile::read(&path) {
            Ok(source) => {
                if let Some(vendor) = mend::parse(&source, problems) {
                    vendors.push((id, source, vendor));
                }
            }
            Err(problem) => problems.push(*problem),
        }
    }
    vendors
}

fn optional(path: &Path, problems: &mut Vec<Problem>) -> Option<(SourceFile, FieldsFile)> {
    if !path.try_exists().unwrap_or(true) {
        return None;
    }
    let source = SourceFile::read(path)
        .map_err(|problem| problems.push(*problem))
        .ok()?;
    let fields = mend::parse(&source, problems)?;
    Some((source, fields))
}

/// Applies `COFFERDAM__SECTION__KEY=value`; the value is TOML, or else a string.
fn overridden(
    source: SourceFile,
    environment: &BTreeMap<String, String>,
) -> Result<SourceFile, Box<Problem>> {
    let overrides: Vec<(&String, &String)> = environment
        .iter()
        .filter(|(name, _)| name.starts_with("COFFERDAM__"))
        .collect();
    if overrides.is_empty() {
        return Ok(source);
    }
    let mut table: toml::Table =
        toml::from_str(&source.text).map_err(|error| Box::new(source.toml_problem(&error)))?;
    let mut variables = Vec::new();
    let refused = |name: &str, message: String| {
        let help = "write COFFERDAM__SECTION__KEY, e.g. COFFERDAM__SERVER__LISTEN";
        let problem = source.problem(Severity::Error, "invalid_override", None, message, help);
        Box::new(Problem {
            file: variable_place(name),
            ..problem
        })
    };
    for (name, value) in overrides {
        let key = set(&mut table, name, value).map_err(|message| refused(name, message))?;
        variables.push((name.clone(), key));
    }
    let text =
        toml::to_string(&table).map_err(|error| refused("COFFERDAM__…", error.to_string()))?;
    Ok(SourceFile {
        path: source.path,
        text,
        merged: Some(Merged {
            as_written: source.text,
            variables,
        }),
    })
}

/// Sets the key that a variable names. Returns the key, e.g. `server.listen`.
fn set(table: &mut toml::Table, name: &str, value: &str) -> Result<String, String> {
    let keys: Vec<String> = name.split("__").skip(1).map(str::to_lowercase).collect();
    let Some((last, sections)) = keys.split_last() else {
        return Err("names no key".to_owned());
    };
    let mut at = table;
    for section in sections {
        at = at
            .entry(section.clone())
            .or_insert_with(|| toml::Value::Table(toml::Table::new()))
            .as_table_mut()
            .ok_or_else(|| format!("`{section}` is not a section"))?;
    }
    let value = value_of(value).unwrap_or_else(|| toml::Value::String(value.to_owned()));
    at.insert(last.clone(), value);
    Ok(keys.join("."))
}

/// A variable's value as TOML, if it is TOML.
fn value_of(value: &str) -> Option<toml::Value> {
    let table = format!("v = {value}").parse::<toml::Table>();
    table.ok().and_then(|mut table| table.remove("v"))
}
