// SPDX-License-Identifier: Apache-2.0
#include "tools/cli.h"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iostream>
#include <new>
#include <system_error>

#include "core/version.h"
#include "kernels/instructions.h"

namespace clade {

namespace {

std::atomic<bool> stop_flag{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

void install_signal_handlers() {
  struct sigaction action = {};
  action.sa_handler = [](int) { stop_flag = true; };
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // What nohup, or a shell that starts a job in the background, has had ignored stays so.
    struct sigaction inherited = {};
    if (sigaction(signal, nullptr, &inherited) == 0 && inherited.sa_handler == SIG_IGN) continue;
    // The second one finds the default action: it ends a program that does not come to a stop. But a terminal that goes
    // away can send SIGHUP twice, once by the kernel and once by the shell.
    action.sa_flags = signal == SIGHUP ? 0 : static_cast<int>(SA_RESETHAND);
    sigaction(signal, &action, nullptr);
  }
  // A reader that went away and a limit on the size of files are failed writes, which have messages and exit codes.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

// What was printed is a result like any other.
void check_standard_output() {
  errno = 0;
  std::cout.flush();
  CLADE_CHECK(std::cout, ErrorCode::output, "cannot write to standard output",
              errno ? str(": ", std::strerror(errno)) : "");
}

std::string version_text(const std::string& program) {
  return str(program, " ", kVersion, "\ncompiler: ", __VERSION__, "\ninstructions: ", kernels::cpu_kernels().level,
             " (built: ", kernels::built_levels(), ")\nCUDA devices: ", cuda_device_count());
}

LogLevel level_of(const CommonOptions& options) {
  if (options.quiet) return LogLevel::error;
  if (options.verbosity == 0) return LogLevel::warning;
  return options.verbosity == 1 ? LogLevel::info : LogLevel::debug;
}

}  // namespace

void add_common_options(CLI::App& app, CommonOptions& options) {
  const std::string group = "General";
  app.set_help_flag("-h,--help", "Show this help and exit")->group(group);
  app.set_version_flag("--version", [&app] { return version_text(app.get_name()); }, "Show the version and how it was built, and exit")
      ->group(group);
  app.add_option("--device", options.device, "auto, cpu, cuda or cuda:N")->capture_default_str()->group(group);
  app.add_option("--threads", options.threads, "Threads [all processors of this process]")
      ->check(in_range(1, 4096))
      ->group(group);
  app.add_flag("--force", options.force, "Replace output that exists")->group(group);
  app.add_flag("-q,--quiet", options.quiet, "Errors only")->group(group);
  app.add_flag("-v", options.verbosity, "More messages (-vv: all)")->group(group);
}

Device select_device(const std::string& name, const Log& log) {
  const Device device = parse_device(name);
  if (name == "auto" && device.is_cpu()) log.info("running on the CPU, instructions ", kernels::cpu_kernels().level);
  return device;
}

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) || std::strchr("-_./=,:+%@", c);
  });
  if (plain) return word;
  std::string quoted = "'";
  for (char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

bool stop_requested() { return stop_flag; }

int run_program(CLI::App& app, CommonOptions& options, int argc, char** argv,
                const std::function<int(Console&)>& body) {
  const std::string program = app.get_name();
  options.command_line = program;
  for (int i = 1; i < argc; ++i) options.command_line += ' ' + shell_word(argv[i]);
  const auto report = [&](const char* text) { std::cerr << program << ": error: " << text << '\n'; };
  install_signal_handlers();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help and --version
      app.exit(error);
      std::cout.flush();
      return std::cout ? 0 : static_cast<int>(ErrorCode::output);
    }
    report(error.what());
    std::cerr << "Run " << program << " --help for the options.\n";
    return static_cast<int>(ErrorCode::usage);
  } catch (const Error& error) {  // of --version
    report(error.what());
    return static_cast<int>(error.code());
  }
  Console console(program, level_of(options));
  try {
    kernels::cpu_kernels();  // a processor that cannot run them is told of before any work
    const int code = body(console);
    check_standard_output();
    return code;
  } catch (const Error& error) {
    console.end_progress();
    if (error.code() == ErrorCode::interrupted) {
      console.message(LogLevel::warning, error.what());
    } else {
      report(error.what());
    }
    return static_cast<int>(error.code());
  } catch (const std::bad_alloc&) {
    console.end_progress();
    report("out of memory");
    return static_cast<int>(ErrorCode::device);
  } catch (const std::system_error& error) {
    // The system has no more threads, or no memory for one.
    console.end_progress();
    report(error.what());
    return static_cast<int>(error.code() == std::errc::resource_unavailable_try_again ? ErrorCode::device
                                                                                     : ErrorCode::internal);
  } catch (const std::exception& error) {
    console.end_progress();
    report(error.what());
    return static_cast<int>(ErrorCode::internal);
  }
}

}  // namespace clade
