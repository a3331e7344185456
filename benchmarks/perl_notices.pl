# Renders notices with Perl's Template Toolkit, for benchmarks/notices.py.
#
# Reads one JSON document {"templates": {name: text}, "variables": [...]}, renders every template with each of the
# variables, and writes the seconds and the last output of each template as JSON.
use strict;
use warnings;
use JSON::PP;
use Template;
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8;
local $/;
my $order   = $json->decode(<STDIN>);
my $engine  = Template->new(BLOCKS => $order->{templates});
my @names   = sort keys %{ $order->{templates} };
my $outputs = {};

sub render_all {
    my ($sets) = @_;
    for my $variables (@$sets) {
        for my $name (@names) {
            my $output = '';
            $engine->process($name, $variables, \$output) or die $engine->error;
            $outputs->{$name} = $output;
        }
    }
}

render_all([ $order->{variables}[0] ]);
my $begun = time;
render_all($order->{variables});
my $seconds = time - $begun;
print $json->encode({ seconds => $seconds, outputs => $outputs, stash => ref $engine->context->stash });
