# Renders templates with Perl's Template Toolkit, for comparison.
#
# Reads lines {"template": ..., "vars": {...}, "options": {...}}; writes a line {"output": ...} or
# {"error": type, "info": text} each, in the same order.
use strict;
use warnings;
use JSON::PP;
use Template;

local $SIG{__WARN__} = sub { };
my $json = JSON::PP->new->utf8->allow_nonref;
$| = 1;
while (my $line = <STDIN>) {
    my $case = $json->decode($line);
    my $engine = Template->new($case->{options} || {});
    my $output = '';
    my $answer;
    local $@;
    my $fine = eval {
        # A template may catch what is thrown here, so the process starts itself anew.
        local $SIG{ALRM} = sub {
            print qq({"error":"too much","info":""}\n);
            exec $^X, $0;
        };
        alarm 3;
        my $rendered = $engine->process(\$case->{template}, $case->{vars} || {}, \$output);
        alarm 0;
        $rendered;
    };
    alarm 0;
    if ($fine) {
        $answer = { output => $output };
    }
    else {
        my $error = $@ ? undef : $engine->error;
        my $is_exception = ref $error && $error->can('type');
        $answer = {
            error => $is_exception ? $error->type : 'died',
            info  => $is_exception ? '' . $error->info : '' . ($@ || $error || ''),
        };
    }
    print $json->encode($answer), "\n";
}
