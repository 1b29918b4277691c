# shellcheck shell=bash
# Sets a script's variables from its command line. The script declares its options as lines `name=default` without
# indent, then sources this file:
#
#     stage=0
#     long_opt=
#     help_message="Usage: $0 [--stage 0] [--long_opt x] <data-dir>"
#     . utils/parse_options.sh
#
# --long-opt val, --long_opt val   set $long_opt; --long-opt=val is refused
# --config file                    reads options from the file's `name=value` or `name: value` lines; whatever its
#                                  place, the command line's own options win. Sets $config too, if that is declared.
# --help, -h                       prints $help_message
# --                               ends the options; so does the first word that is neither an option nor its value
#
# What comes after the options stays in "$@". A variable with the default true or false takes only these two. Options
# are the names that begin with a small letter, but no arrays and not help_message. A mistake ends the script, status 1.

# Every name in here begins with _po_, as a local of an option's name would catch the value meant for the script.

_po_fail() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

# Fills _po_options, and _po_booleans among them, with what the script $1 declares before its line $2.
_po_find_options() {
  local _po_script=$1 _po_left=$2 _po_line _po_name
  local _po_declaration='^([a-z][A-Za-z0-9_]*)=([^(]|$)'
  if [[ ! -r $_po_script && $_po_script != /* ]]; then
    _po_script=${OLDPWD-}/$_po_script # the script was called by a relative name and has changed its directory since
  fi
  if [[ ! -r $_po_script || -d $_po_script ]]; then
    _po_fail "parse_options.sh cannot read the script '$1' to see its options; source it before any cd"
  fi
  while ((_po_left-- > 0)) && IFS= read -r _po_line; do
    [[ $_po_line =~ $_po_declaration ]] || continue
    _po_name=${BASH_REMATCH[1]}
    if [[ $_po_name == help_message || $_po_options == *" $_po_name "* || -z ${!_po_name+set} ]]; then
      continue
    fi
    _po_options+="$_po_name "
    if [[ ${!_po_name} == true || ${!_po_name} == false ]]; then
      _po_booleans+="$_po_name "
    fi
  done <"$_po_script"
}

_po_list_options() {
  local _po_names=" config${_po_options/ config / }help"
  printf '%s' "${_po_names// / --}"
}

# Whether the name $1, with underscores, is one of the options.
_po_is_option() {
  [[ $1 != *[[:space:]]* && " config help$_po_options" == *" $1 "* ]]
}

# Sets the option $1 to the value $2; $3 says where they were read.
_po_set() {
  local _po_name=${1//-/_}
  if [[ $_po_booleans == *" $_po_name "* && $2 != true && $2 != false ]]; then
    _po_fail "$3: the value must be true or false, not '$2'"
  fi
  printf -v "$_po_name" '%s' "$2"
}

# Sets the options that the file $1 gives. The file is data: nothing in it is run or expanded.
_po_read_config() {
  local _po_line _po_name _po_value _po_where _po_number=0
  local _po_blank='^[[:blank:]]*(#.*)?$'
  local _po_pair='^([A-Za-z][A-Za-z0-9_-]*)[[:blank:]]*[=:](.*)$'
  local _po_quoted="^[[:blank:]]*(\"([^\"]*)\"|'([^']*)')[[:blank:]]*(#.*)?\$"
  local _po_comment='[[:blank:]]#.*$'
  if [[ ! -r $1 || -d $1 ]]; then
    _po_fail "--config: cannot read the file '$1'"
  fi
  while IFS= read -r _po_line || [[ -n $_po_line ]]; do
    _po_number=$((_po_number + 1))
    _po_line=${_po_line%$'\r'}
    if [[ $_po_line =~ $_po_blank ]]; then
      continue
    elif [[ ! $_po_line =~ $_po_pair ]]; then
      _po_fail "$1:$_po_number: not of the form name=value: $_po_line"
    fi
    _po_name=${BASH_REMATCH[1]}
    _po_value=${BASH_REMATCH[2]}
    _po_where="$1:$_po_number: $_po_name"
    if [[ $_po_value =~ $_po_quoted ]]; then
      _po_value=${BASH_REMATCH[2]}${BASH_REMATCH[3]}
    else
      if [[ $_po_value =~ $_po_comment ]]; then
        _po_value=${_po_value%"${BASH_REMATCH[0]}"}
      fi
      _po_value=${_po_value#"${_po_value%%[![:blank:]]*}"}
      _po_value=${_po_value%"${_po_value##*[![:blank:]]}"}
      if [[ $_po_value == [\"\']* ]]; then
        _po_fail "$_po_where: the quotes must enclose the whole value: $_po_value"
      fi
    fi
    if [[ $_po_options != *" ${_po_name//-/_} "* ]]; then
      _po_fail "$_po_where: unknown option; the options are$(_po_list_options)"
    fi
    _po_set "$_po_name" "$_po_value" "$_po_where"
  done <"$1"
}

# Sets the options given in $3, $4, ... for the script $1, which sources this file in its line $2. Leaves in _po_shift
# how many words they take.
_po_parse() {
  local LC_ALL=C # or [a-z] may match capitals
  local _po_options=' ' _po_booleans=' ' _po_name _po_i
  local -a _po_given=() _po_values=() _po_configs=()
  _po_find_options "$1" "$2"
  shift 2
  while (($# > 0)); do
    case $1 in
      --help | -h)
        printf '%s\n' "${help_message:-The options of ${0##*/} are$(_po_list_options)}"
        exit 0
        ;;
      --)
        _po_shift=$((_po_shift + 1))
        break
        ;;
      --*=*) _po_fail "$1: write '${1%%=*} ${1#*=}', with a space in the place of '='" ;;
      --*) ;;
      -[A-Za-z]*) _po_fail "$1: an option begins with two dashes" ;;
      *) break ;;
    esac
    _po_name=${1#--}
    _po_is_option "${_po_name//-/_}" || _po_fail "$1: unknown option; the options are$(_po_list_options)"
    _po_name=${2-}
    _po_name=${_po_name//-/_} # --nj after --stage is no value of --stage: that was forgotten
    if (($# < 2)) || [[ $2 == -- ]] || { [[ $2 == --* ]] && _po_is_option "${_po_name#__}"; }; then
      _po_fail "$1: its value is missing"
    fi
    if [[ $1 == --config && -n $2 ]]; then # a wrapper may pass on a --config that it was not given
      _po_configs+=("$2")
    fi
    if [[ $1 != --config || $_po_options == *' config '* ]]; then
      _po_given+=("$1")
      _po_values+=("$2")
    fi
    shift 2
    _po_shift=$((_po_shift + 2))
  done
  for ((_po_i = 0; _po_i < ${#_po_configs[@]}; _po_i++)); do
    _po_read_config "${_po_configs[_po_i]}"
  done
  for ((_po_i = 0; _po_i < ${#_po_given[@]}; _po_i++)); do
    _po_set "${_po_given[_po_i]#--}" "${_po_values[_po_i]}" "${_po_given[_po_i]}"
  done
}

_po_shift=0
_po_parse "${BASH_SOURCE[1]-}" "${BASH_LINENO[0]}" "$@"
shift "$_po_shift"
unset -v _po_shift
unset -f _po_fail _po_find_options _po_list_options _po_is_option _po_set _po_read_config _po_parse
