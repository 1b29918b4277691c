# shellcheck shell=bash

# plain_paths <variable...>: a path that begins with a dash gets ./ before it, so that no command reads it as an option.
plain_paths() {
  local variable
  for variable in "$@"; do
    if [[ "${!variable}" == -* ]]; then printf -v "$variable" './%s' "${!variable}"; fi
  done
}
