//! `whydown serve`: starts the server, says where to click, ends on Ctrl-C or SIGTERM.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use whydown_server::serve::{Ready, ServeOptions, serve};

use crate::cli::Serve;

pub(crate) async fn run(flags: Serve) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_env("WHYDOWN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let options = ServeOptions { config: flags.config, data: flags.data, listen: flags.listen };
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    serve(options, |ready| welcome(&ready), stop).await?;
    Ok(ExitCode::SUCCESS)
}

/// Where to click.
fn welcome(ready: &Ready) {
    let text = match &ready.setup_link {
        Some(link) => format!(
            "\n whydown is running on {}\n\n Set it up here, once:\n   {link}\n\n",
            ready.url
        ),
        None => format!("\n whydown is running on {}\n\n", ready.url),
    };
    // Without standard output the log still says it.
    let _ = super::print(&text);
}
