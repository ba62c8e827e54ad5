//! What a program prints about itself: shell completions and its manual page.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::{self, Write};

/// The flags that ask for these; flatten them into a program's own.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pages")]
pub struct Pages {
    /// Print completions for this shell, and end
    #[arg(long, value_name = "SHELL")]
    pub completions: Option<Shell>,
    /// Print the manual page, for man(1), and end
    #[arg(long)]
    pub man: bool,
}

impl Pages {
    /// Prints what was asked for to standard output, and says whether anything was.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn print<T: CommandFactory>(&self) -> io::Result<bool> {
        let mut command = T::command();
        let mut page = Vec::new();
        if let Some(shell) = self.completions {
            let name = command.get_name().to_owned();
            clap_complete::generate(shell, &mut command, name, &mut page);
        } else if self.man {
            clap_mangen::Man::new(command).render(&mut page)?;
        } else {
            return Ok(false);
        }
        let mut output = io::stdout();
        output.write_all(&page).and_then(|()| output.flush())?;
        Ok(true)
    }
}
