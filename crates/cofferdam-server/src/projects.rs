//! The projects by what senders show, the public write token or the import secret; and by the query secret that scripts show.
//!
//! Invariant: a secret is compared in constant time and never kept in clear; only the import secret makes data verified, only the
//! query secret reads.

use crate::config::Config;
use crate::config::resolve::SECRET_CHARS_MIN;
use cofferdam_model::{ProjectName, Provenance};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A project's secret cannot be read.
#[derive(Debug, Error)]
#[error("the secret `{path}` cannot be used: {problem}")]
pub struct SecretError {
    path: PathBuf,
    problem: String,
}

/// A project as intake knows it.
#[derive(Clone, Debug)]
pub struct Project {
    /// The name.
    pub name: ProjectName,
    /// The public write token.
    pub token: String,
    /// Property that holds the organization's id.
    pub organization_key: Option<String>,
    origins: Vec<String>,
    secret_hash: Option<[u8; 32]>,
    query_secret_hash: Option<[u8; 32]>,
}

impl Project {
    /// Whether a page of this origin may send.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.is_empty()
            || self
                .origins
                .iter()
                .any(|allowed| allowed == "*" || allowed == origin)
    }
}

/// All projects.
#[derive(Clone, Debug, Default)]
pub struct Projects {
    projects: Vec<Project>,
}

/// What a request shows, looked up.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'p> {
    credential: Option<&'p str>,
    secret_of: Option<&'p Project>,
}

impl Projects {
    /// Reads the projects of a configuration, with their secrets.
    ///
    /// # Errors
    /// Where a secret's file cannot be read or is too short.
    pub fn load(config: &Config) -> Result<Self, SecretError> {
        let mut projects = Vec::new();
        for project in &config.projects {
            let secret_hash = secret(project.import_secret_file.as_deref())?;
            let query_secret_hash = secret(project.query_secret_file.as_deref())?;
            projects.push(Project {
                name: project.name.clone(),
                token: project.token.clone(),
                organization_key: project.organization_key.clone(),
                origins: project.origins.clone(),
                secret_hash,
                query_secret_hash,
            });
        }
        Ok(Self { projects })
    }

    /// The projects.
    #[must_use]
    pub fn all(&self) -> &[Project] {
        &self.projects
    }

    /// Looks up what a request shows, once for all its items.
    #[must_use]
    pub fn shown<'p>(&'p self, credential: Option<&'p str>) -> Shown<'p> {
        Shown {
            credential,
            secret_of: credential.and_then(|credential| self.by_secret(credential)),
        }
    }

    /// Whose data an item is, and how far it can be believed: a secret's project, else the token's.
    #[must_use]
    pub fn standing<'p>(
        &'p self,
        token: Option<&str>,
        shown: Shown<'p>,
    ) -> Option<(&'p Project, Provenance)> {
        if let Some(project) = shown.secret_of {
            // A token of another project beside the secret is a mix-up: believe neither.
            let own = token.is_none_or(|token| token == project.token || token.is_empty());
            return own.then_some((project, Provenance::Verified));
        }
        self.by_token(token.or(shown.credential)?)
            .map(|project| (project, Provenance::Claimed))
    }

    /// The project of that name.
    #[must_use]
    pub fn named(&self, name: &ProjectName) -> Option<&Project> {
        self.projects.iter().find(|project| project.name == *name)
    }

    /// The project that scripts with this secret may query.
    #[must_use]
    pub fn by_query_secret(&self, secret: &str) -> Option<&Project> {
        let hashed = hash(secret);
        let is_it = |project: &&Project| project.query_secret_hash == Some(hashed);
        self.projects.iter().find(is_it)
    }

    fn by_token(&self, token: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.token == token)
    }

    fn by_secret(&self, secret: &str) -> Option<&Project> {
        let hashed = hash(secret);
        self.projects.iter().find(|project| {
            // Hashes are compared: what an attacker could learn from timing is a hash of its own guess.
            project.secret_hash == Some(hashed)
        })
    }
}

/// The hash of a secret that stands in a file.
fn secret(path: Option<&Path>) -> Result<Option<[u8; 32]>, SecretError> {
    let Some(path) = path else {
        return Ok(None);
    };
    let error = |problem: String| SecretError {
        path: path.to_owned(),
        problem,
    };
    let text = std::fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
    let secret = text.trim();
    if secret.len() < SECRET_CHARS_MIN {
        return Err(error(format!(
            "it has fewer than {SECRET_CHARS_MIN} characters"
        )));
    }
    Ok(Some(hash(secret)))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
