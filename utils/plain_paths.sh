# shellcheck shell=bash

# plain_paths <variable...>: a path that begins with a dash gets ./ before it, so that no command reads it as an option,
# and one that begins with @, so that on_parts does not take it for one of its own words.
plain_paths() {
  local variable
  for variable in "$@"; do
    if [[ "${!variable}" == [-@]* ]]; then printf -v "$variable" './%s' "${!variable}"; fi
  done
}
