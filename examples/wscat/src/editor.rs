//! The line that is edited in a terminal, and what is written above it.

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustyline::{
    ColorMode, CompletionType, Config, Editor, ExternalPrinter, Helper,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::MemHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};

const PROMPT: &str = "> ";
/// How long the end of a line waits for the printer to look at the mode of the terminal: all that
/// it does, unless it waits for the editor.
const PRINTER_LIMIT: Duration = Duration::from_millis(5);
/// How long the end of the program waits until the last message is on the screen.
const DRAW_LIMIT: Duration = Duration::from_millis(200);

/// Whether a line can be edited: both ends are the terminal, and it can move the cursor.
pub(crate) fn is_possible() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && (cfg!(windows) || !is_dumb)
}

/// The editor. It belongs to the thread that reads the input.
pub(crate) struct LineEditor {
    editor: Editor<Hooks, MemHistory>,
}

/// Where to print above the line that is edited. It belongs to the thread that writes.
pub(crate) struct Screen {
    printer: Box<dyn ExternalPrinter + Send>,
    gate: Arc<Gate>,
    terminal: Terminal,
}

/// Creates an editor, and what prints above its line.
///
/// # Errors
/// The terminal cannot be used.
pub(crate) fn start() -> io::Result<(LineEditor, Screen)> {
    let config = Config::builder()
        .auto_add_history(true)
        .completion_type(CompletionType::List)
        // Without it, the prompt would be drawn without a call of `highlight_prompt`.
        .color_mode(ColorMode::Forced)
        .build();
    let mut editor = Editor::with_history(config, MemHistory::new()).map_err(io::Error::other)?;
    let gate = Arc::new(Gate::default());
    editor.set_helper(Some(Hooks(Arc::clone(&gate))));
    let printer = editor.create_external_printer().map_err(io::Error::other)?;
    let screen = Screen {
        printer: Box::new(printer),
        gate,
        terminal: Terminal::prepare()?,
    };
    Ok((LineEditor { editor }, screen))
}

impl LineEditor {
    /// Reads a line. `None`: Ctrl-D, Ctrl-C, or the end of the terminal.
    pub(crate) fn read(&mut self) -> io::Result<Option<String>> {
        let line = self.editor.readline(PROMPT);
        match line {
            Ok(line) => Ok(Some(line)),
            Err(error) => {
                if let Some(Hooks(gate)) = self.editor.helper() {
                    gate.end();
                }
                match error {
                    ReadlineError::Eof | ReadlineError::Interrupted => Ok(None),
                    ReadlineError::Io(error) => Err(error),
                    error => Err(io::Error::other(error)),
                }
            }
        }
    }
}

impl Screen {
    /// Prints whole lines.
    pub(crate) fn print(&mut self, lines: String) -> io::Result<()> {
        self.gate.enter();
        let printed = self.printer.print(lines);
        self.gate.leave();
        printed.map_err(io::Error::other)
    }

    /// Waits until all of it is on the screen, and gives the terminal back.
    pub(crate) fn end(self) {
        self.gate.wait_until_drawn();
        self.terminal.restore();
    }
}

/// Keeps the order of what is printed.
///
/// The printer of rustyline writes directly to the terminal while no line is edited. What was
/// printed just before may still wait for the next line then, and would come later. So this waits
/// until a line is edited.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// A line is edited.
    editing: bool,
    /// No more lines are edited.
    ended: bool,
    /// Something is being handed to the printer.
    printing: bool,
    /// The line was drawn since something was printed.
    drawn: bool,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a state is reached, for a time.
    fn wait_for(&self, limit: Duration, reached: impl Fn(&State) -> bool) {
        let waited = self
            .changed
            .wait_timeout_while(self.state(), limit, |state| !reached(state));
        drop(waited);
    }

    /// The printer begins.
    fn enter(&self) {
        let waited = self
            .changed
            .wait_while(self.state(), |state| !state.editing && !state.ended);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.printing = true;
        state.drawn = false;
    }

    /// The printer is done.
    fn leave(&self) {
        self.state().printing = false;
        self.changed.notify_all();
    }

    /// The line was drawn: the terminal is in the mode in which the printer waits for the editor.
    fn draw(&self) {
        let mut state = self.state();
        state.editing = true;
        state.drawn = true;
        self.changed.notify_all();
    }

    /// The line is complete. A printer that has begun may wait for the next line: then it is in
    /// order already.
    fn complete(&self) {
        self.state().editing = false;
        self.wait_for(PRINTER_LIMIT, |state| !state.printing);
    }

    fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    fn wait_until_drawn(&self) {
        self.wait_for(DRAW_LIMIT, |state| state.drawn || state.ended);
    }
}

/// What the editor calls.
struct Hooks(Arc<Gate>);

impl Helper for Hooks {}

impl Completer for Hooks {
    type Candidate = String;
}

impl Highlighter for Hooks {
    /// Called whenever the line is drawn, also after something was printed.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _default: bool) -> Cow<'b, str> {
        self.0.draw();
        Cow::Borrowed(prompt)
    }
}

impl Hinter for Hooks {
    type Hint = String;
}

impl Validator for Hooks {
    /// Called with Enter.
    fn validate(&self, _context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.0.complete();
        Ok(ValidationResult::Valid(None))
    }
}

/// The mode of the terminal before a line was edited. The editor cannot be stopped while it reads.
struct Terminal {
    #[cfg(unix)]
    mode: rustix::termios::Termios,
}

impl Terminal {
    /// Saves the mode. Between two lines, the terminal then keeps what is typed ahead as it is, and
    /// does not show it.
    fn prepare() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use rustix::termios::{InputModes, LocalModes, OptionalActions, tcgetattr, tcsetattr};

            let mode = tcgetattr(io::stdin())?;
            let mut between = mode.clone();
            between.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            between.input_modes.remove(InputModes::ICRNL);
            tcsetattr(io::stdin(), OptionalActions::Drain, &between)?;
            Ok(Self { mode })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    fn restore(&self) {
        // The end of bracketed paste, and of the line that was edited.
        let mut stdout = io::stdout();
        let _result = stdout.write_all(b"\x1b[?2004l\r\x1b[J").and_then(|()| stdout.flush());
        #[cfg(unix)]
        let _result = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Drain, &self.mode);
    }
}
