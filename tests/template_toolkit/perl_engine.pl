# Renders templates with Perl's Template Toolkit, for comparison.
#
# Reads lines {"template": ..., "vars": {...}, "options": {...}}; writes a line {"output": ...} or
# {"error": type, "info": text} for each, in the same order.
use strict;
use warnings;

# Modules that Perl's plugins use where the machine has them. They are hidden, so that the answers do not depend on it.
my %hidden = map { $_ => 1 } qw(Date/Calc.pm Date/Manip.pm Math/TrulyRandom.pm);
unshift @INC, sub { die "Can't locate $_[1] in \@INC\n" if $hidden{ $_[1] }; return };

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
        # A template may catch what is thrown here, so the process replaces itself.
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
