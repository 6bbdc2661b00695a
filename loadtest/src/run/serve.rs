//! `serve`: the harness's own service, for targets that are started by hand.

use std::{net::SocketAddr, process::ExitCode};

use crate::{
    failure::{Failure, While as _},
    generator::on_one_thread,
    machine::allow_many_files,
    service,
};

/// Sink, source and echo on one port; the first byte of a client says which it wants.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where it listens; the port that was taken is printed.
    #[arg(long, default_value_t = service::ANY_PORT)]
    listen: SocketAddr,
}

impl ServeArgs {
    /// Serves until the process is ended.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        allow_many_files();
        on_one_thread(async {
            let (address, _) = service::serve(self.listen).await.during(self.listen)?;
            println!("{address}");
            std::future::pending().await
        })
    }
}
