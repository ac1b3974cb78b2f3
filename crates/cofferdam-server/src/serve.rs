//! `cofferdam serve`, and how the other verbs reach its API.
//!
//! Invariant: configuration errors and a held lock are found before anything listens; SIGTERM drains, SIGHUP re-reads the folder.

use crate::client::AdminApi;
use crate::config::Config;
use crate::system::{Seams, System};
use crate::{cli, datadir, http, listen};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Listeners of a running server.
#[derive(Debug)]
pub struct Listeners {
    /// Where intake listens.
    pub intake: SocketAddr,
    /// Where web app and API listen.
    pub admin: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Listeners {
    /// Opens both listeners and the control socket of a system.
    ///
    /// # Errors
    /// Where an address cannot be had or the TLS files do not fit.
    pub async fn open(system: &Arc<System>) -> anyhow::Result<Self> {
        let config = system.config();
        let tls = match &config.server.tls {
            Some((certificate, key)) => Some(listen::tls(certificate, key)?),
            None => None,
        };
        let mut passed = listen::passed_sockets().into_iter();
        let intake = listen::tcp(config.server.listen, passed.next()).await?;
        let admin = listen::tcp(config.server.admin_listen, passed.next()).await?;
        let (intake_address, admin_address) = (intake.local_addr()?, admin.local_addr()?);
        system.set_intake_address(intake_address);
        let (stop, stopped) = watch::channel(false);
        let (outside, routes) = (http::intake(system), http::admin(system));
        // Whoever finds the server ready finds its control socket too, not the one of a server that was killed.
        let control = http::control(system);
        let control =
            listen::serve_unix(&system.data_path("control.sock"), control, stopped.clone())?;
        let tasks = vec![
            control,
            listen::serve_tcp(
                intake,
                tls.clone(),
                move |request, peer| outside.clone().answer(request, peer),
                stopped.clone(),
            ),
            listen::serve_tcp(
                admin,
                tls,
                move |request, _| http::routed(routes.clone(), request),
                stopped,
            ),
        ];
        Ok(Self {
            intake: intake_address,
            admin: admin_address,
            stop,
            tasks,
        })
    }

    /// Stops listening and waits for the requests under way.
    pub async fn close(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// Runs the server until SIGTERM or SIGINT.
#[must_use]
pub fn run(config: Config) -> u8 {
    init_logs("info");
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot be started");
            return cli::EXIT_FAILED;
        }
    };
    match runtime.block_on(serve(config)) {
        Ok(()) => cli::EXIT_DONE,
        Err(error) => {
            tracing::error!("{error:#}");
            cli::exit_of_opening(&error).unwrap_or(cli::EXIT_FAILED)
        }
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut reload = signal(SignalKind::hangup())?;
    let system = System::open(config, Seams::default()).await?;
    let listeners = Listeners::open(&system).await?;
    tracing::info!(intake = %listeners.intake, admin = %listeners.admin, "listening");
    tracing::info!(
        "sign in with the token in {}",
        system.data_path("admin.token").display()
    );
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = reload.recv() => {
                match system.reload().await {
                    Ok(()) => {
                        let policy = system.policies.active().id().0;
                        tracing::info!(policy, "the configuration is in force");
                    }
                    Err(problems) => {
                        for problem in problems {
                            tracing::error!("{problem}");
                        }
                    }
                }
            }
        }
    }
    tracing::info!("stopping: finishing what is under way");
    listeners.close().await;
    system.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Logs to standard error: text on a terminal, JSON otherwise; `RUST_LOG` filters.
pub fn init_logs(default: &str) {
    use std::io::IsTerminal;
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    let _ = if std::io::stderr().is_terminal() {
        builder.try_init()
    } else {
        builder.json().try_init()
    };
}

/// A way to the admin API for a verb: the control socket where a server holds the lock, else the directory itself.
///
/// # Errors
/// Where the directory is in use by something without a control socket, or cannot be opened.
pub async fn reach(config: Config) -> anyhow::Result<AdminApi> {
    if let Some(api) = running(&config.data_dir) {
        return Ok(api);
    }
    anyhow::ensure!(
        !datadir::is_locked(&config.data_dir),
        "another process works on {} and has no control socket; wait for it",
        config.data_dir.display()
    );
    // Nobody serves: the verb works on the directory itself.
    let seams = Seams {
        sends: false,
        ..Seams::default()
    };
    let system = System::open(config, seams).await?;
    Ok(AdminApi::Local {
        router: http::control(&system),
        system,
    })
}

/// The admin API of the server that works on a data directory, if one does: all that is needed of the configuration is where.
#[must_use]
pub fn running(data_dir: &std::path::Path) -> Option<AdminApi> {
    let socket = data_dir.join("control.sock");
    let is_there = datadir::is_locked(data_dir) && socket.try_exists().unwrap_or(false);
    is_there.then_some(AdminApi::Socket(socket))
}

/// Closes what [`reach`] opened.
pub async fn leave(api: AdminApi) {
    if let AdminApi::Local { system, .. } = api {
        system.close().await;
    }
}
