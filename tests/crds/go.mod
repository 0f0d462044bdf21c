// Where tests/src/crds.rs finds the schemas of prometheus-operator's kinds: nothing here is compiled. go.sum beside this file
// says what the module has to be, so a download is checked without asking anybody else.
module sitefence.example/tests/crds

go 1.19

require github.com/prometheus-operator/prometheus-operator v0.85.0
